"""The embedded Simvue: what the published client asks of its server, which nobody publishes."""
