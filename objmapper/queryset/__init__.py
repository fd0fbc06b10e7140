"""How to read: query sets and managers."""

from objmapper.queryset.queryset import Manager, ManagerOf, QuerySet
from objmapper.queryset.related import RelatedManager

__all__ = ["Manager", "ManagerOf", "QuerySet", "RelatedManager"]
