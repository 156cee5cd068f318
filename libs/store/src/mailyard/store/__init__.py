"""MongoDB connections, the GridFS layout of bodies and group commit."""
