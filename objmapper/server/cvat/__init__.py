"""The embedded CVAT: it speaks 2.15 and 2.80, from logins to data and annotations."""
