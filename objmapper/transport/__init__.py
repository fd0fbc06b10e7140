"""How requests travel: the only room that knows `requests`; retries, limits, masking, one error tree."""

from objmapper.transport.auth import BearerAuth, TokenAuth
from objmapper.transport.complaints import read_error
from objmapper.transport.transport import Transport

__all__ = ["BearerAuth", "TokenAuth", "Transport", "read_error"]
