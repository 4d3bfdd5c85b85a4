#include "identity.h"

#include <string.h>

#include "bytes.h"
#include "crc32c.h"

enum { HEAD = 8, TEXT_MAX = 64 };

bool atoll_identity_read(atoll_identity *identity, const uint8_t *block)
{
    atoll_mqtt_text *const texts[] = {&identity->site, &identity->device, &identity->zone};
    size_t at = HEAD;
    if (memcmp(block, "ATID\1", 5) != 0) {
        return false;
    }
    for (size_t index = 0; index < 3u; index++) {
        uint8_t size = block[5u + index];
        if (size == 0u || size > TEXT_MAX) {
            return false;
        }
        *texts[index] = (atoll_mqtt_text){block + at, size};
        at += size;
    }
    return atoll_bytes_le32(block + at) == atoll_crc32c_update(0, block, at);
}
