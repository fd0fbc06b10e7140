"""The embedded CVAT: it speaks 2.80 for projects, tasks, jobs, labels and users."""
