/* The node's stream to the broker, by the link that the image was built with: `stream_serial.c` or
 * `stream_ethernet.c`. */
#ifndef ATOLL_STREAM_H
#define ATOLL_STREAM_H

#include "identity.h"
#include "node.h"

/* Called once; the node stays, and so do the identity's texts. */
void atoll_stream_start(atoll_node *node, const atoll_identity *identity, uint64_t now_ms);

/* Move what there is in both directions, and let the node's time pass. True: it wants to be called
 * again at once. */
bool atoll_stream_serve(uint64_t now_ms);

#endif
