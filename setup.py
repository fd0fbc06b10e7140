from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["objmapper", "objmapper.*"]), "objmapper.schemas"])
