/* The well-formedness pass: the twin of the wire's portable/cbor.pxi, with 16-bit sizes. */
#include <string.h>

#include "cbor.h"

struct frame {
    uint16_t left;     /* items still to come; of a map: keys and values */
    uint16_t key;      /* where the last key's encoding is */
    uint16_t key_size; /* 0: none yet */
    bool is_map;
};

struct state {
    const uint8_t *data;
    size_t size;
    size_t at;
    size_t items;
    unsigned depth;
    unsigned depth_max;
    struct frame stack[ATOLL_CBOR_DEPTH_MAX];
};

/* Table 3-7 of the Unicode standard: what may follow a lead byte, and how many bytes do. */
static unsigned utf8_follow(uint8_t lead, uint8_t *low, uint8_t *high)
{
    *low = lead == 0xE0u ? 0xA0u : lead == 0xF0u ? 0x90u : 0x80u;
    *high = lead == 0xEDu ? 0x9Fu : lead == 0xF4u ? 0x8Fu : 0xBFu;
    if (lead < 0x80u) {
        return 0;
    }
    return lead < 0xC2u ? 4u : lead < 0xE0u ? 1u : lead < 0xF0u ? 2u : lead < 0xF5u ? 3u : 4u;
}

static bool utf8_valid(const uint8_t *text, size_t size)
{
    size_t at = 0;
    while (at < size) {
        uint8_t low, high;
        unsigned more = utf8_follow(text[at++], &low, &high);
        if (more > 3u || more > size - at) {
            return false;
        }
        for (; more > 0u; more--, at++) {
            if (text[at] < low || text[at] > high) {
                return false;
            }
            low = 0x80u;
            high = 0xBFu;
        }
    }
    return true;
}

/* Whether a binary32 (no NaN) can be a binary16. */
static bool fits_half(uint32_t bits)
{
    int power = (int)(bits >> 23 & 0xFFu) - 127;
    uint32_t fraction = bits & 0x7FFFFFu;
    if (power == 128 || bits << 1 == 0u) {
        return true;
    }
    if (power >= -14 && power <= 15) {
        return (fraction & 0x1FFFu) == 0u;
    }
    if (power >= -24 && power <= -15) { /* a subnormal half: a multiple of 2**-24 */
        return ((fraction | 0x800000u) & ((1u << (-1 - power)) - 1u)) == 0u;
    }
    return false;
}

/* Whether a binary64 (no NaN) can be a binary32. */
static bool fits_single(uint64_t bits)
{
    int power = (int)(bits >> 52 & 0x7FFu) - 1023;
    uint64_t fraction = bits & UINT64_C(0xFFFFFFFFFFFFF);
    if (power == 1024 || bits << 1 == 0u) {
        return true;
    }
    if (power >= -126 && power <= 127) {
        return (fraction & 0x1FFFFFFFu) == 0u;
    }
    if (power >= -149 && power <= -127) { /* a subnormal single: a multiple of 2**-149 */
        return ((fraction | UINT64_C(1) << 52) & ((UINT64_C(1) << (-97 - power)) - 1u)) == 0u;
    }
    return false;
}

/* Simple values and floats, by the low five bits of the head. */
static int check_other(uint8_t info, uint64_t bits)
{
    if (info == 25u) {
        bool nan = (bits & 0x7C00u) == 0x7C00u && (bits & 0x3FFu) != 0u;
        return nan && bits != 0x7E00u ? ATOLL_CBOR_NAN : ATOLL_CBOR_OK;
    }
    if (info == 26u) {
        if ((bits & 0x7F800000u) == 0x7F800000u && (bits & 0x7FFFFFu) != 0u) {
            return ATOLL_CBOR_NAN;
        }
        return fits_half((uint32_t)bits) ? ATOLL_CBOR_NOT_SHORTEST : ATOLL_CBOR_OK;
    }
    if (info == 27u) {
        if ((bits >> 52 & 0x7FFu) == 0x7FFu && (bits & UINT64_C(0xFFFFFFFFFFFFF)) != 0u) {
            return ATOLL_CBOR_NAN;
        }
        return fits_single(bits) ? ATOLL_CBOR_NOT_SHORTEST : ATOLL_CBOR_OK;
    }
    return info >= 20u && info <= 22u ? ATOLL_CBOR_OK : ATOLL_CBOR_SIMPLE;
}

static bool is_shortest(uint8_t info, uint64_t value)
{
    return !((info == 24u && value < 24u) || (info == 25u && value <= 0xFFu) ||
             (info == 26u && value <= 0xFFFFu) || (info == 27u && value <= 0xFFFFFFFFu));
}

static int take_head(struct state *state, atoll_cbor_head *head)
{
    uint8_t first;
    unsigned width;
    if (state->at >= state->size) {
        return ATOLL_CBOR_TRUNCATED;
    }
    if (++state->items > ATOLL_CBOR_ITEMS_MAX) {
        return ATOLL_CBOR_ITEMS;
    }
    first = state->data[state->at++];
    head->major = first >> 5;
    head->info = first & 31u;
    head->value = head->info;
    if (head->info >= 28u) {
        bool streams = head->major >= 2u && head->major != 6u;
        return head->info == 31u && streams ? ATOLL_CBOR_INDEFINITE : ATOLL_CBOR_RESERVED;
    }
    if (head->info >= 24u) {
        width = 1u << (head->info - 24u);
        if (width > state->size - state->at) {
            return ATOLL_CBOR_TRUNCATED;
        }
        for (head->value = 0; width > 0u; width--) {
            head->value = head->value << 8 | state->data[state->at++];
        }
    }
    if (head->major == 6u) {
        return ATOLL_CBOR_TAG;
    }
    if (head->major == ATOLL_CBOR_OTHER) {
        return check_other(head->info, head->value);
    }
    return is_shortest(head->info, head->value) ? ATOLL_CBOR_OK : ATOLL_CBOR_NOT_SHORTEST;
}

/* The content of a string, or a frame for an array or map that is not empty. */
static int take_content(struct state *state, const atoll_cbor_head *head, bool *opened)
{
    size_t left = state->size - state->at;
    unsigned each = head->major == ATOLL_CBOR_MAP ? 1u : 0u;
    *opened = false;
    if (head->major == ATOLL_CBOR_BYTES || head->major == ATOLL_CBOR_TEXT) {
        if (head->value > left) {
            return ATOLL_CBOR_CLAIM;
        }
        if (head->major == ATOLL_CBOR_TEXT &&
            !utf8_valid(state->data + state->at, (size_t)head->value)) {
            return ATOLL_CBOR_UTF8;
        }
        state->at += (size_t)head->value;
        return ATOLL_CBOR_OK;
    }
    if (head->major != ATOLL_CBOR_ARRAY && head->major != ATOLL_CBOR_MAP) {
        return ATOLL_CBOR_OK;
    }
    if (head->value > left >> each) { /* each item takes a byte at least */
        return ATOLL_CBOR_CLAIM;
    }
    if (head->value << each > ATOLL_CBOR_ITEMS_MAX - state->items) {
        return ATOLL_CBOR_ITEMS;
    }
    if (state->depth >= state->depth_max) {
        return ATOLL_CBOR_DEPTH;
    }
    if (head->value > 0u) {
        struct frame *frame = &state->stack[state->depth++];
        *frame = (struct frame){.left = (uint16_t)(head->value << each), .is_map = each != 0u};
        *opened = true;
    }
    return ATOLL_CBOR_OK;
}

/* A key was read from `start`: it comes behind the last one in bytewise order. */
static int take_key(struct state *state, size_t start)
{
    struct frame *top = &state->stack[state->depth - 1u];
    size_t size = state->at - start;
    size_t common = top->key_size < size ? top->key_size : size;
    if (top->key_size > 0u) {
        int order = memcmp(state->data + top->key, state->data + start, common);
        if (order > 0 || (order == 0 && top->key_size >= size)) {
            return ATOLL_CBOR_ORDER;
        }
    }
    top->key = (uint16_t)start;
    top->key_size = (uint16_t)size;
    return ATOLL_CBOR_OK;
}

/* One item, up to its content; an array or map that was opened is complete only later. */
static int take_item(struct state *state, bool *opened)
{
    atoll_cbor_head head;
    size_t start = state->at;
    const struct frame *top = state->depth > 0u ? &state->stack[state->depth - 1u] : NULL;
    bool is_key = top != NULL && top->is_map && (top->left & 1u) == 0u;
    int reason = take_head(state, &head);
    *opened = false;
    if (reason == ATOLL_CBOR_OK && is_key && head.major > ATOLL_CBOR_TEXT) {
        reason = ATOLL_CBOR_KEY;
    }
    if (reason == ATOLL_CBOR_OK) {
        reason = take_content(state, &head, opened);
    }
    if (reason == ATOLL_CBOR_OK && is_key) {
        reason = take_key(state, start);
    }
    return reason;
}

int atoll_cbor_check(const uint8_t *data, size_t size, unsigned depth_max, size_t *offset)
{
    struct state state = {.data = data, .size = size};
    size_t start = 0;
    int reason = size > ATOLL_CBOR_SIZE_MAX ? ATOLL_CBOR_SIZE : ATOLL_CBOR_OK;
    state.depth_max = depth_max < ATOLL_CBOR_DEPTH_MAX ? depth_max : ATOLL_CBOR_DEPTH_MAX;
    while (reason == ATOLL_CBOR_OK) {
        bool opened;
        start = state.at;
        reason = take_item(&state, &opened);
        if (reason != ATOLL_CBOR_OK || opened) {
            continue;
        }
        /* The item is complete, and with it every array or map whose last it was. */
        while (state.depth > 0u && --state.stack[state.depth - 1u].left == 0u) {
            state.depth--;
        }
        if (state.depth == 0u) {
            start = state.at;
            reason = state.at == size ? ATOLL_CBOR_OK : ATOLL_CBOR_TRAILING;
            break;
        }
    }
    if (offset != NULL) {
        *offset = start;
    }
    return reason;
}
