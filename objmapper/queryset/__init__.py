"""How to read: query sets and managers."""

from objmapper.queryset.queryset import Manager, ManagerOf, Objects, QuerySet
from objmapper.queryset.related import RelatedManager

__all__ = ["Manager", "ManagerOf", "Objects", "QuerySet", "RelatedManager"]
