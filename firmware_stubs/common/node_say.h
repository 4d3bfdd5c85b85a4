/* What the node says: composed in its message buffer. For node.c only. */
#ifndef ATOLL_NODE_SAY_H
#define ATOLL_NODE_SAY_H

#include "node.h"

/* "atoll/v1/SITE/device/DEVICE/LEAF" into `topic`, which has ATOLL_NODE_TOPIC_MAX bytes. */
atoll_mqtt_text atoll_node_topic(const atoll_node *node, char *topic, const char *leaf);

/* The JSON of up/status into `to`, which has room for 96 bytes. */
atoll_mqtt_text atoll_node_status(const atoll_node *node, char *to, const char *state);

/* The size of the message; 0: it does not fit. */
size_t atoll_node_birth(atoll_node *node);
size_t atoll_node_lease_request(atoll_node *node, uint64_t now_ms);
size_t atoll_node_inventory(atoll_node *node);
size_t atoll_node_transfer_failed(atoll_node *node);

/* What stands before the results in a Partials message, at most 39 bytes, and some room. */
enum { ATOLL_NODE_PARTIALS_HEAD = 48 };

/* The next results of the outbox as a Partials message: of one job and numbered one behind the other,
 * as many as fit. The cursor goes behind them; it stays where there is none within the window. Of a
 * board without plans a gateway acknowledges messages, and so one result is in each. */
size_t atoll_node_partials(atoll_node *node, atoll_flashlog_cursor *cursor);

/* A result as an outbox record, into the message buffer: the job's name and the result, both CBOR. */
size_t atoll_node_pack(atoll_node *node, atoll_mqtt_text job, atoll_mqtt_text key, uint64_t task,
                       bool failed, const void *data, size_t size, uint32_t elapsed_us);

#endif
