"""A whole site from one seed: the real cores on a virtual clock, over a lying network."""
