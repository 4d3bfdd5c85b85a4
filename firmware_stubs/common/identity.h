/* Who the device is and what it samples: a block of flash that is written apart from the image, so
 * that one image serves a fleet.
 *
 * "ATID", version 4, the sizes of seven texts (8 bits each): site, device and zone (1 to 64 bytes),
 * dataset, name and unit of the stream that it samples (0 to 64: no name, no stream), and its password at
 * the broker, where the device is the user (0: it comes without); the texts; the stream's rate in Hz and its scale (binary32, little-endian); the floor (32 bits): boots and runs are numbered
 * from there where the log on flash knows of none, so that a board whose flash was erased is not taken
 * for its own past; of boards with Ethernet the broker's IPv4 address (4 bytes) and port (16 bits, 0:
 * none), and their own address, netmask and router (4 bytes each; address 0: by DHCP); a CRC-32C over
 * all before it. Integers are little-endian, addresses in the order in which they are written. */
#ifndef ATOLL_IDENTITY_H
#define ATOLL_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mqtt.h"

enum {
    ATOLL_IDENTITY_TEXT_MAX = 64,
    ATOLL_IDENTITY_ADDRESS = 4,
    ATOLL_IDENTITY_SIZE_MAX = 12 + 7 * ATOLL_IDENTITY_TEXT_MAX + 34
};

/* IPv4, as the link by Ethernet needs it; others leave it zero. */
typedef struct atoll_identity_network {
    uint8_t broker[ATOLL_IDENTITY_ADDRESS];
    uint8_t address[ATOLL_IDENTITY_ADDRESS]; /* 0: by DHCP, mask and router too */
    uint8_t mask[ATOLL_IDENTITY_ADDRESS];
    uint8_t router[ATOLL_IDENTITY_ADDRESS];
    uint16_t port; /* of the broker; 0: none is known */
} atoll_identity_network;

typedef struct atoll_identity {
    atoll_mqtt_text site;
    atoll_mqtt_text device;
    atoll_mqtt_text zone;
    atoll_mqtt_text dataset;
    atoll_mqtt_text source; /* size 0: it samples nothing */
    atoll_mqtt_text unit;
    atoll_mqtt_text secret; /* size 0: none */
    float rate_hz;
    float scale;
    uint32_t floor;
    atoll_identity_network network;
} atoll_identity;

/* Point `identity` into the block, which has ATOLL_IDENTITY_SIZE_MAX bytes; false: it is not one. */
bool atoll_identity_read(atoll_identity *identity, const uint8_t *block);

#endif
