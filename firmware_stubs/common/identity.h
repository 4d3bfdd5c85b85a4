/* Who the device is: a block of flash that is written apart from the image, so that one image serves
 * a fleet.
 *
 * "ATID", version 1, the sizes of site, device and zone (8 bits each, 1 to 64), the three texts, and a
 * CRC-32C (little-endian) over all before it. */
#ifndef ATOLL_IDENTITY_H
#define ATOLL_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mqtt.h"

enum { ATOLL_IDENTITY_SIZE_MAX = 8 + 3 * 64 + 4 };

typedef struct atoll_identity {
    atoll_mqtt_text site;
    atoll_mqtt_text device;
    atoll_mqtt_text zone;
} atoll_identity;

/* Point `identity` into the block, which has ATOLL_IDENTITY_SIZE_MAX bytes; false: it is not one. */
bool atoll_identity_read(atoll_identity *identity, const uint8_t *block);

#endif
