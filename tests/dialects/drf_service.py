"""A Django REST framework service, as its users build one: Django, rest_framework, django-filter.

Projects, tasks and users, in SQLite in a temporary file, behind token authentication. What tests vary
is an endpoint each: ``tasks`` has numbered pages whose size may be chosen, ``fixed-tasks`` numbered
pages of four, ``limited-tasks`` limit and offset, ``cursor-tasks`` a cursor, ``bare-tasks`` no pages,
``deaf-tasks`` neither filters nor ordering. Users can only be read.

Django keeps its settings in globals, so there is one service in a process; ``restart()`` empties it,
or lays back what ``keep()`` kept.
"""

import atexit
import shutil
import tempfile
from pathlib import Path

import django
from django.conf import settings

_folder = tempfile.TemporaryDirectory(prefix="drf-service-")
atexit.register(_folder.cleanup)
_database = Path(_folder.name) / "db.sqlite"

settings.configure(
    DEBUG=False,
    SECRET_KEY="a test's own",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    LOGGING_CONFIG=None,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(_database),
            # Writers wait for each other; a transaction that began by reading can't.
            "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
        }
    },
    INSTALLED_APPS=[
        "django.contrib.contenttypes",
        "django.contrib.auth",
        "rest_framework",
        "rest_framework.authtoken",
        "django_filters",
    ],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.TokenAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        "DEFAULT_FILTER_BACKENDS": [
            "django_filters.rest_framework.DjangoFilterBackend",
            "rest_framework.filters.OrderingFilter",
        ],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
        "UNAUTHENTICATED_USER": None,
    },
)
django.setup()

import django_filters  # noqa: E402 - Django's parts can be imported once it is set up
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection, models  # noqa: E402
from django.urls import include, path  # noqa: E402
from rest_framework import pagination, routers, serializers, viewsets  # noqa: E402
from rest_framework.authtoken.models import Token  # noqa: E402

TOKEN = "0123456789abcdef0123456789abcdef01234567"
PAGE_SIZE = 4


class Project(models.Model):
    name = models.CharField(max_length=40, unique=True)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "service"


class Task(models.Model):
    name = models.CharField(max_length=40)
    note = models.CharField(max_length=40, null=True, blank=True)
    size = models.IntegerField(default=0)
    done = models.BooleanField(default=False)
    project = models.ForeignKey(Project, models.CASCADE, null=True, related_name="tasks")
    owner = models.ForeignKey(User, models.SET_NULL, null=True)
    tags = models.JSONField(default=list)
    secret = models.CharField(max_length=40, blank=True)

    class Meta:
        app_label = "service"


class UserSerializer(serializers.ModelSerializer):
    class Meta:
        model = User
        fields = ["id", "username"]


class ProjectSerializer(serializers.ModelSerializer):
    class Meta:
        model = Project
        fields = ["id", "name", "created"]


class TaskSerializer(serializers.ModelSerializer):
    """Shows the owner as a nested row, and takes a key for it under another name."""

    owner = UserSerializer(read_only=True)
    owner_id = serializers.PrimaryKeyRelatedField(
        source="owner",
        queryset=User.objects.all(),
        write_only=True,
        allow_null=True,
        required=False,
    )
    tags = serializers.ListField(child=serializers.CharField(max_length=10), required=False)

    class Meta:
        model = Task
        fields = [
            *("id", "name", "note", "size", "done", "project", "owner", "owner_id"),
            *("tags", "secret"),
        ]
        extra_kwargs = {"secret": {"write_only": True}}

    def validate_size(self, value: int) -> int:
        if value < 0:
            raise serializers.ValidationError("A size is not negative.")
        return value


class Numbered(pagination.PageNumberPagination):
    page_size = PAGE_SIZE
    page_size_query_param = "page_size"
    max_page_size = 50


class Fixed(pagination.PageNumberPagination):
    page_size = PAGE_SIZE


class Limited(pagination.LimitOffsetPagination):
    default_limit = PAGE_SIZE


class Cursor(pagination.CursorPagination):
    page_size = PAGE_SIZE
    ordering = "id"


class TaskFilter(django_filters.FilterSet):
    class Meta:
        model = Task
        fields = {
            "id": ["exact", "in", "gt", "gte", "lt", "lte", "range"],
            "name": [
                *("exact", "iexact", "in", "contains", "icontains", "startswith", "istartswith"),
                *("endswith", "iendswith", "regex", "iregex", "gt", "gte", "lt", "lte", "range"),
            ],
            "note": ["exact", "isnull"],
            "size": ["exact", "gte"],
            "done": ["exact"],
            "project": ["exact", "in", "isnull"],
            "project__name": ["exact", "in", "icontains"],
            "owner": ["exact", "in", "isnull"],
        }


class ProjectViews(viewsets.ModelViewSet):
    queryset = Project.objects.order_by("id")
    serializer_class = ProjectSerializer
    pagination_class = Numbered
    filterset_fields = {"id": ["exact", "in"], "name": ["exact", "in", "icontains"]}
    ordering_fields = ["id", "name"]


class UserViews(viewsets.ReadOnlyModelViewSet):
    queryset = User.objects.order_by("id")
    serializer_class = UserSerializer
    pagination_class = Numbered
    filterset_fields = {"id": ["exact", "in"], "username": ["exact"]}


class TaskViews(viewsets.ModelViewSet):
    queryset = Task.objects.select_related("owner").order_by("id")
    serializer_class = TaskSerializer
    pagination_class = Numbered
    filterset_class = TaskFilter
    ordering_fields = ["id", "name", "size", "project__name"]


class FixedTasks(TaskViews):
    pagination_class = Fixed


class LimitedTasks(TaskViews):
    pagination_class = Limited


class CursorTasks(TaskViews):
    pagination_class = Cursor


class BareTasks(TaskViews):
    pagination_class = None


class DeafTasks(TaskViews):
    filter_backends = []


router = routers.DefaultRouter()
router.register("projects", ProjectViews)
router.register("users", UserViews)
for name, views in {
    "tasks": TaskViews,
    "fixed-tasks": FixedTasks,
    "limited-tasks": LimitedTasks,
    "cursor-tasks": CursorTasks,
    "bare-tasks": BareTasks,
    "deaf-tasks": DeafTasks,
}.items():
    router.register(name, views, basename=name)
urlpatterns = [path("api/", include(router.urls))]


application = get_wsgi_application()


def _copy(name: str) -> Path:
    return Path(_folder.name) / f"{name}.sqlite"


def _make() -> None:
    call_command("migrate", verbosity=0)
    with connection.schema_editor() as editor:
        editor.create_model(Project)
        editor.create_model(Task)
    ada = User.objects.create(username="ada")
    User.objects.create(username="bob")
    Token.objects.create(user=ada, key=TOKEN)
    connection.close()
    keep("empty")


def keep(name: str) -> None:
    """Keep what the database has now, for ``restart(name)``."""
    shutil.copyfile(_database, _copy(name))


def restart(name: str = "empty") -> None:
    """Lay the database back as it was kept; empty it has two users, the first with a token."""
    if not _copy("empty").exists():
        _make()
    shutil.copyfile(_copy(name), _database)
