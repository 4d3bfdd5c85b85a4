# Samples behind the sample stages: into windows, or one by one into rows, or straight into reducers.
#
# A window goes through its frame stages and features, and comes out as one row. Several channels
# stand apart from each other in memory; each has its own windows, frames and features, and the row
# holds them all: by feature, then by channel.


cdef inline size_t frame_length(const plan *p) noexcept nogil:
    """Numbers that features see: the window's samples, or its spectrum's bins."""
    return <size_t>(p.spectral // 2 + 1) if p.spectral else <size_t>p.window


cdef const float *window_floats(plan *p, uint32_t dtype, const void *x) noexcept nogil:
    """The window as float: in the frame buffer, where it does not stand as such."""
    cdef float *frame = <float *>plan_at(p, p.frame_at)
    if dtype == DTYPE_F32:
        return <const float *>x
    frame_load(dtype, x, p.window, frame)
    return frame


cdef float feature_value(plan *p, const operation *op, const stats *s,
                         const void *x) noexcept nogil:
    """A feature of one number."""
    cdef const uint32_t *args = <const uint32_t *>plan_at(p, op.args_at)
    if s.bad:
        return atoll_float(BITS_NAN)
    if op.code == OP_MEAN:
        return feature_mean(s)
    if op.code == OP_RMS:
        return feature_rms(s)
    if op.code == OP_PEAK:
        return feature_peak(s)
    if op.code == OP_P2P:
        return feature_p2p(s)
    if op.code == OP_CREST:
        return feature_peak(s) / feature_rms(s)
    if op.code == OP_KURTOSIS:
        return feature_kurtosis(s)
    if op.code == OP_SKEWNESS:
        return feature_skewness(s)
    if op.code == OP_CROSSINGS:
        return <float>crossings_of(s.dtype, x, p.window)
    if op.code == OP_GOERTZEL:
        return feature_goertzel(s.dtype, x, p.window, atoll_float(args[0]), atoll_float(args[1]))
    if op.code == OP_SLOPE:
        return feature_slope(s, x, p.window, atoll_float(args[0]))
    if op.code == OP_AUTOCORR:
        return feature_autocorr(s, x, p.window, args[0])
    if op.code == OP_USER_WINDOW:
        return atoll_user_window(args, window_floats(p, s.dtype, x), p.window)
    if op.code == OP_BAND:
        return band_power(<const float *>x, op.argc, args)
    if op.code == OP_ENTROPY:
        return feature_entropy(<const float *>x, frame_length(p))
    if op.code == OP_CENTROID:
        return feature_centroid(<const float *>x, frame_length(p), atoll_float(args[0]))
    return atoll_float(BITS_NAN)


cdef void feature_values(plan *p, const operation *op, const stats *s, const void *x,
                         float *out) noexcept nogil:
    """All numbers of a feature, op.width of them."""
    cdef const uint32_t *args = <const uint32_t *>plan_at(p, op.args_at)
    cdef uint32_t k
    if op.code < OP_LINES or OP_BAND <= op.code <= OP_ENTROPY:
        out[0] = float_plain(feature_value(p, op, s, x))
        return
    for k in range(op.width):
        out[k] = atoll_float(BITS_NAN)
    if s.bad:
        return
    if ROOMY and op.code == OP_PEAKS:
        peaks_many(<const float *>x, frame_length(p), args, out)
    elif op.code == OP_PEAKS:
        feature_peaks(<const float *>x, frame_length(p), args, out)
    elif ROOMY and WIDE > 1 and op.code == OP_MEL:
        mel_many(<const float *>x, op.argc, args, out)
    elif op.code == OP_MEL:
        feature_mel(<const float *>x, op.argc, args, out)
    else:
        for k in range(op.width):
            out[k] = float_plain(feature_line(<const float *>x, args + LINE_WORDS * k))


cdef const void *window_frames(plan *p, const void *x) noexcept nogil:
    """Run the frame stages; the window, or its spectrum, as float in the frame buffer."""
    cdef float *frame = <float *>plan_at(p, p.frame_at)
    cdef const float *table
    cdef operation *op
    cdef uint32_t k
    for k in range(p.frames):
        op = plan_op(p, p.first_frame + k)
        table = <const float *>plan_at(p, op.state_at)
        if op.code == OP_DETREND:
            frame_mean(DTYPE_F32 if k else p.stage_dtype, x, p.window, frame)
            if (<const uint32_t *>plan_at(p, op.args_at))[0] == 1:
                frame_line(frame, p.window)
        elif ROOMY and k == 0 and op.code == OP_TAPER and p.stage_dtype == DTYPE_F32:
            taper_from(table, <const float *>x, p.window, frame)
            x = frame
            continue
        elif k == 0 and op.code != OP_PSD:
            frame_load(p.stage_dtype, x, p.window, frame)
        if op.code == OP_TAPER:
            taper_run(table, frame, p.window)
        elif op.code == OP_SPECTRUM:
            spectrum_run(frame, p.window, table)
        elif op.code == OP_PSD:
            psd_run(DTYPE_F32 if k else p.stage_dtype, x, p.window,
                    <const uint32_t *>plan_at(p, op.args_at), <float *>plan_at(p, op.state_at))
            memcpy(frame, plan_at(p, op.state_at), frame_length(p) * sizeof(float))
        x = frame
    return x


cdef void frame_load(uint32_t dtype, const void *x, size_t n, float *frame) noexcept nogil:
    """Any window as float."""
    cdef size_t i
    if dtype == DTYPE_F32:
        memcpy(frame, x, n * sizeof(float))
    elif dtype == DTYPE_I32:
        floats_of(<const int32_t *>x, frame, n)
    else:
        for i in range(n):
            frame[i] = <float>(<const int16_t *>x)[i]


cdef void window_features(plan *p, const void *x, uint32_t channel, float *row) noexcept nogil:
    """Features of one channel's window, into their places in the row: by feature, then channel."""
    cdef uint32_t dtype = p.stage_dtype
    cdef stats s
    if ROOMY and glances(p) and glance_take(p, x, &s):
        stats_numbers(p, &s, x, channel, row)
        return
    if p.frames:
        x = window_frames(p, x)
        dtype = DTYPE_F32
    window_numbers(p, dtype, x, channel, row)


cdef inline void window_numbers(plan *p, uint32_t dtype, const void *x, uint32_t channel,
                                float *row) noexcept nogil:
    """The same behind the frame stages."""
    cdef stats s
    stats_take(dtype, x, frame_length(p), p.need, &s)
    stats_numbers(p, &s, x, channel, row)


cdef inline void stats_numbers(plan *p, const stats *s, const void *x, uint32_t channel,
                               float *row) noexcept nogil:
    """And behind what they need of the window in common."""
    cdef operation *op
    cdef uint32_t k
    for k in range(p.features):
        op = plan_op(p, p.first_feature + k)
        feature_values(p, op, s, x, row + channel * op.width)
        row = row + op.width * p.channels


cdef const float *window_row(plan *p, const uint8_t *x, size_t apart, float *row) noexcept nogil:
    """A window as a row: its features, or itself after the frame stages; `row` is room for it."""
    cdef uint32_t c
    cdef size_t n = frame_length(p)
    if p.features:
        for c in range(p.channels):
            window_features(p, x + c * apart, c, row)
        return row
    if p.channels == 1 and p.frames:
        return <const float *>window_frames(p, x)
    if p.channels == 1 and p.stage_dtype == DTYPE_F32:
        return <const float *>x
    for c in range(p.channels):
        if p.frames:
            memcpy(row + c * n, window_frames(p, x + c * apart), n * sizeof(float))
        else:
            frame_load(p.stage_dtype, x + c * apart, n, row + c * n)
    return row


cdef uint32_t window_run(plan *p, const uint8_t *x, size_t apart, float *rows,
                         size_t room) noexcept nogil:
    """One whole window, its channels `apart` bytes from each other: into rows or reducers."""
    cdef float *row = <float *>plan_at(p, p.row_at)
    cdef const float *made
    if p.reducers == 0 and (<size_t>p.rows + 1) * p.width > room:
        return STATUS_ROWS_FULL
    if p.reducers == 0:
        rows = rows + <size_t>p.rows * p.width
    if p.features and p.reducers == 0 and p.rowers == 0:
        row = rows
    made = window_row(p, x, apart, row)
    if p.reducers or made != rows:
        row_run(p, made, rows)
    p.rows = p.rows + 1
    p.units = p.units + 1
    place_advance(p, 1)
    return STATUS_OK


cdef uint32_t window_feed(plan *p, const uint8_t *x, size_t apart, size_t n, float *rows,
                          size_t room) noexcept nogil:
    """Samples into windows: straight from `x` where it holds one whole, else by the buffer."""
    cdef size_t wide = dtype_size(p.stage_dtype), span = p.window * wide, m
    cdef uint8_t *buffer = <uint8_t *>plan_at(p, p.window_at)
    cdef uint32_t status = STATUS_OK, c
    cdef size_t many, ahead
    while n and status == STATUS_OK:
        if p.skip:
            m = p.skip if p.skip < n else n
            p.skip = p.skip - <uint32_t>m
        elif p.fill == 0 and n >= p.window:
            many = 0
            if ROOMY:
                many = windows_many(p, x, n, rows, room)
            ahead = many * p.hop
            if many == 0:
                status = window_run(p, x, apart, rows, room)
                ahead = p.hop
            m = ahead if ahead < n else n
            p.skip = <uint32_t>(ahead - m)
        else:
            m = p.window - p.fill
            if m > n:
                m = n
            for c in range(p.channels):
                memcpy(buffer + c * span + p.fill * wide, x + c * apart, m * wide)
            p.fill = p.fill + <uint32_t>m
            if p.fill == p.window:
                status = window_run(p, buffer, span, rows, room)
                window_slide(p, buffer, span, wide)
        x = x + m * wide
        n = n - m
    return status


cdef void window_slide(plan *p, uint8_t *buffer, size_t span, size_t wide) noexcept nogil:
    """Make room for the next window behind what both share."""
    cdef uint32_t c
    p.fill = 0
    if p.hop >= p.window:
        p.skip = p.hop - p.window
        return
    p.fill = p.window - p.hop
    for c in range(p.channels):
        memmove(buffer + c * span, buffer + c * span + p.hop * wide, p.fill * wide)


cdef inline float sample_float(uint32_t dtype, const void *x, size_t i) noexcept nogil:
    if dtype == DTYPE_I16:
        return <float>(<const int16_t *>x)[i]
    if dtype == DTYPE_I32:
        return <float>(<const int32_t *>x)[i]
    return (<const float *>x)[i]


cdef uint32_t sample_rows(plan *p, const uint8_t *x, size_t apart, size_t n, float *rows,
                          size_t room) noexcept nogil:
    """Samples one by one, the channels of each a row."""
    cdef float row[CHANNELS_MAX]
    cdef size_t i
    cdef uint32_t c
    cdef size_t many = 0
    while ROOMY and n:
        many = samples_many(p, x, n, rows, room)
        if many == 0:
            break
        x = x + many * dtype_size(p.stage_dtype)
        n = n - many
    if p.reducers == 0:
        rows = rows + <size_t>p.rows * p.width
    for i in range(n):
        if p.reducers == 0 and (<size_t>p.rows + 1) * p.width > room:
            return STATUS_ROWS_FULL
        for c in range(p.channels):
            row[c] = sample_float(p.stage_dtype, x + c * apart, i)
        row_run(p, row, rows)
        if p.reducers == 0:
            rows = rows + p.width
        p.rows = p.rows + 1
        p.units = p.units + 1
        place_advance(p, 1)
    return STATUS_OK


cdef void uneven_feed(plan *p, const uint8_t *x, size_t apart, size_t n) noexcept nogil:
    """Values whose places are not evenly apart, into reducers of which only `minmax` asks for them."""
    cdef operation *op
    cdef uint32_t c, k
    for c in range(p.channels):
        for k in range(p.reducers):
            op = plan_op(p, p.first_reducer + k)
            if op.code == OP_MINMAX:
                extrema_uneven(<extrema *>plan_instance(p, c, k), x + c * apart, n, plan_place(p),
                               plan_stride(p), p.up, p.rest)
            else:
                reducer_push(p, op, plan_instance(p, c, k), x + c * apart, n)
    place_advance(p, n)
    p.units = p.units + n


cdef uint32_t plan_feed(plan *p, const uint8_t *x, size_t apart, size_t n, float *rows,
                        size_t room) noexcept nogil:
    """Samples after the sample stages: into windows, or straight into the reducers.

    apart: bytes from one channel's samples to the next one's.
    """
    cdef uint32_t c
    cdef size_t m = n, at = 0, wide = dtype_size(p.stage_dtype)
    if p.window:
        return window_feed(p, x, apart, n, rows, room)
    if p.rowers or p.joint:
        return sample_rows(p, x, apart, n, rows, room)
    if ROOMY and p.up > 1:
        uneven_feed(p, x, apart, n)
        return STATUS_OK
    if p.up > 1:
        m = 1  # the values' places are not evenly apart
    while at < n:
        for c in range(p.channels):
            plan_reduce(p, c, x + c * apart + at * wide, m)
        place_advance(p, m)
        at = at + m
    p.units = p.units + n
    return STATUS_OK
