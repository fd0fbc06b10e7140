"""The durable record of what a session means to send and what became of it, and recovery from it."""

from objmapper.journal.journal import Journal

__all__ = ["Journal"]
