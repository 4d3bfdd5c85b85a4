"""The device: shards on disk, kernels over them, results until they are acknowledged."""
