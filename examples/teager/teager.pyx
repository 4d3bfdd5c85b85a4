"""Mean Teager-Kaiser energy of a window: the mean of x[i]^2 - x[i - 1] x[i + 1].

It follows the amplitude and the frequency of an oscillation (J. F. Kaiser, "On a simple algorithm to
calculate the 'energy' of a signal", 1990). The sum runs in the order of the samples.
"""


cdef float teager(const float *x, size_t n, const float *numbers) noexcept nogil:
    """Of fewer than three samples it is NaN: 0 / 0."""
    cdef size_t i
    cdef float total = <float>0.0
    if n < 3:
        return total / total
    for i in range(1, n - 1):
        total = total + (x[i] * x[i] - x[i - 1] * x[i + 1])
    return total / <float>(n - 2)
