"""The written contracts: one OpenAPI 3.1 document for each bundled server."""
