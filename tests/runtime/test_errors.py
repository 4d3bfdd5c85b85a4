from atoll.runtime import errors


def test_one_root_catches_all():
    leaves = [errors.UsageError, errors.StoreError, errors.Refused, errors.Missing]
    assert all(issubclass(leaf, errors.DeviceError) for leaf in leaves)
    assert not issubclass(errors.Missing, errors.Refused)
