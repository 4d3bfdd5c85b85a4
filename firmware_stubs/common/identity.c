#include "identity.h"

#include <string.h>

#include "bytes.h"
#include "crc32c.h"

enum { SIZES_AT = 5, TEXTS = 7, NAMES = 3 };

static float real(const uint8_t *from)
{
    uint32_t bits = atoll_bytes_le32(from);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static size_t read_network(atoll_identity_network *network, const uint8_t *from)
{
    uint8_t *const addresses[] = {network->address, network->mask, network->router};
    size_t at = ATOLL_IDENTITY_ADDRESS;
    memcpy(network->broker, from, ATOLL_IDENTITY_ADDRESS);
    network->port = (uint16_t)(from[at] | from[at + 1u] << 8);
    at += 2u;
    for (size_t index = 0; index < sizeof addresses / sizeof addresses[0]; index++) {
        memcpy(addresses[index], from + at, ATOLL_IDENTITY_ADDRESS);
        at += ATOLL_IDENTITY_ADDRESS;
    }
    return at;
}

bool atoll_identity_read(atoll_identity *identity, const uint8_t *block)
{
    atoll_mqtt_text *const texts[TEXTS] = {&identity->site,    &identity->device, &identity->zone,
                                           &identity->dataset, &identity->source, &identity->unit,
                                           &identity->secret};
    size_t at = SIZES_AT + TEXTS;
    if (memcmp(block, "ATID\4", SIZES_AT) != 0) {
        return false;
    }
    for (size_t index = 0; index < (size_t)TEXTS; index++) {
        uint8_t size = block[SIZES_AT + index];
        if (size > ATOLL_IDENTITY_TEXT_MAX || (size == 0u && index < (size_t)NAMES)) {
            return false;
        }
        *texts[index] = (atoll_mqtt_text){block + at, size};
        at += size;
    }
    identity->rate_hz = real(block + at);
    identity->scale = real(block + at + 4u);
    identity->floor = atoll_bytes_le32(block + at + 8u);
    at += 12u;
    at += read_network(&identity->network, block + at);
    return atoll_bytes_le32(block + at) == atoll_crc32c_update(0, block, at);
}
