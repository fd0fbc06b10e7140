"""The CVAT binding: models, dialect, client."""
