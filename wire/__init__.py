"""The messages of a site: schema, codec, topics, blocks. Standard library and cbor2 only."""
