#include "frame.h"

#include "bytes.h"
#include "crc32c.h"

size_t atoll_frame_encode(uint8_t *data, size_t size, uint8_t *line)
{
    size_t code_at = 0, to = 1;
    uint8_t code = 1;
    atoll_bytes_put_le32(data + size, atoll_crc32c_update(0, data, size));
    for (size_t at = 0; at < size + ATOLL_FRAME_CRC; at++) {
        if (data[at] != 0u) {
            line[to++] = data[at];
            code++;
        }
        if (data[at] == 0u || code == 0xFFu) {
            line[code_at] = code;
            code_at = to++;
            code = 1;
        }
    }
    line[code_at] = code;
    line[to++] = 0;
    return to;
}

void atoll_frame_start(atoll_frame *frame, uint8_t *data, size_t size)
{
    *frame = (atoll_frame){.data = data, .size = size};
}

static void put(atoll_frame *frame, uint8_t byte)
{
    if (frame->used < frame->size) {
        frame->data[frame->used++] = byte;
    } else {
        frame->spoilt = true;
    }
}

static size_t finish(atoll_frame *frame)
{
    size_t size = frame->used;
    bool idle = size == 0u && frame->left == 0u && !frame->spoilt;
    bool whole = size > ATOLL_FRAME_CRC && frame->left == 0u && !frame->spoilt;
    frame->used = 0;
    frame->left = 0;
    frame->zero = false;
    frame->spoilt = false;
    if (whole && atoll_bytes_le32(frame->data + size - ATOLL_FRAME_CRC) ==
                     atoll_crc32c_update(0, frame->data, size - ATOLL_FRAME_CRC)) {
        return size - ATOLL_FRAME_CRC;
    }
    frame->dropped += idle ? 0u : 1u;
    return 0;
}

size_t atoll_frame_take(atoll_frame *frame, uint8_t byte)
{
    if (byte == 0u) {
        return finish(frame);
    }
    if (frame->left > 0u) {
        frame->left--;
        put(frame, byte);
        return 0;
    }
    if (frame->zero) {
        put(frame, 0);
    }
    frame->left = (uint8_t)(byte - 1u);
    frame->zero = byte != 0xFFu;
    return 0;
}
