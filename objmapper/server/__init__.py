"""The embedded servers: whole REST servers inside this process or on a loopback socket.

They share the written contracts with the rest of the house, and none of its code.
"""

from objmapper.server.adapter import WSGIAdapter
from objmapper.server.command import main
from objmapper.server.embedding import EmbeddedServer, embedded
from objmapper.server.serving import Running, serve

__all__ = ["EmbeddedServer", "Running", "WSGIAdapter", "embedded", "main", "serve"]
