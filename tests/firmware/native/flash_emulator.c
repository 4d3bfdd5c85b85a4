#include "flash_emulator.h"

#include <string.h>

#include "random.h"

static uint8_t target(uint8_t old, const uint8_t *data, uint32_t at)
{
    return data == NULL ? 0xFFu : (uint8_t)(old & data[at]);
}

void emulator_tear(emulator *self, uint32_t address, const uint8_t *data, uint32_t size,
                   enum tear tear)
{
    uint8_t *to = self->bytes + address;
    uint32_t prefix = tear == TEAR_NOTHING    ? 0u
                      : tear == TEAR_PREFIX   ? random_below(&self->random, size)
                      : tear == TEAR_BUT_LAST ? size - 1u
                                              : size;
    for (uint32_t at = 0; at < prefix; at++) {
        uint8_t goal = target(to[at], data, at);
        uint8_t some = 0xFFu; /* which bits get there */
        if (tear == TEAR_BITS) {
            some = (uint8_t)random_next(&self->random);
        } else if (tear == TEAR_BYTES) {
            some = (random_next(&self->random) & 1u) != 0u ? 0xFFu : 0u;
        }
        to[at] = (uint8_t)((to[at] & ~some) | (goal & some));
    }
    if (tear == TEAR_PREFIX) {
        uint8_t some = (uint8_t)random_next(&self->random);
        to[prefix] = (uint8_t)((to[prefix] & ~some) | (target(to[prefix], data, prefix) & some));
    }
}

/* Whether the operation takes place; a cut in it is carried out here. */
static bool powered(emulator *self, uint32_t address, const uint8_t *data, uint32_t size)
{
    if (self->off) {
        return false;
    }
    if (self->before != NULL) {
        self->before(self->watcher, self, address, data, size);
    }
    if (self->operations++ == self->cut_at) {
        emulator_tear(self, address, data, size, self->tear);
        self->off = true;
        return false;
    }
    return true;
}

static bool is_bad(const emulator *self, uint32_t address, enum fault fault)
{
    return self->fault == fault && address / self->port.page_size == self->bad_page;
}

static bool outside(const emulator *self, uint32_t address, size_t size)
{
    uint32_t end = self->port.page_size * self->port.page_count;
    return address > end || size > end - address || size == 0u;
}

static int emulated_read(void *context, uint32_t address, void *data, size_t size)
{
    emulator *self = context;
    if (outside(self, address, size)) {
        self->violations++;
        return -1;
    }
    if (self->off || is_bad(self, address, FAULT_READ_ERROR)) {
        return -1;
    }
    self->read_bytes += size;
    memcpy(data, self->bytes + address, size);
    return 0;
}

static int emulated_program(void *context, uint32_t address, const void *data, size_t size)
{
    emulator *self = context;
    const atoll_flash *port = &self->port;
    if (outside(self, address, size) || address % port->unit != 0u || size % port->unit != 0u ||
        address / port->page_size != (address + size - 1u) / port->page_size) {
        self->violations++;
        return -1;
    }
    for (uint32_t at = 0; at < size && !self->off; at++) {
        self->violations += self->bytes[address + at] != 0xFFu && self->fault == FAULT_NONE;
    }
    if (!powered(self, address, data, (uint32_t)size)) {
        return -1;
    }
    if (is_bad(self, address, FAULT_PROGRAM_ERROR)) {
        return -1;
    }
    if (!is_bad(self, address, FAULT_PROGRAM_IGNORED)) {
        emulator_tear(self, address, data, (uint32_t)size, TEAR_WHOLE);
    }
    return 0;
}

static int emulated_erase(void *context, uint32_t page)
{
    emulator *self = context;
    uint32_t address = page * self->port.page_size;
    if (page >= self->port.page_count) {
        self->violations++;
        return -1;
    }
    if (!powered(self, address, NULL, self->port.page_size) ||
        is_bad(self, address, FAULT_ERASE_ERROR)) {
        return -1;
    }
    self->erases[page]++;
    if (!is_bad(self, address, FAULT_ERASE_IGNORED)) {
        emulator_tear(self, address, NULL, self->port.page_size, TEAR_WHOLE);
    }
    return 0;
}

void emulator_start(emulator *self, uint32_t page_size, uint16_t page_count, uint16_t unit,
                    uint64_t seed)
{
    memset(self, 0, sizeof *self);
    memset(self->bytes, 0xFF, sizeof self->bytes);
    self->port = (atoll_flash){.read = emulated_read,
                               .program = emulated_program,
                               .erase = emulated_erase,
                               .context = self,
                               .page_size = page_size,
                               .page_count = page_count,
                               .unit = unit};
    self->random = seed;
    self->cut_at = UINT64_MAX;
}

void emulator_copy(emulator *self, const emulator *from)
{
    uint32_t used = from->port.page_size * from->port.page_count;
    memcpy(self->bytes, from->bytes, used);
    memcpy(self->erases, from->erases, sizeof self->erases);
    self->port = from->port;
    self->port.context = self;
    self->operations = 0;
    self->read_bytes = 0;
    self->cut_at = UINT64_MAX;
    self->off = false;
    self->violations = 0;
    self->fault = FAULT_NONE;
    self->before = NULL;
}
