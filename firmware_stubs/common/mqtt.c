#include <string.h>

#include "mqtt_state.h"

/* --- connection ------------------------------------------------------------------------------ */

void atoll_mqtt_start(atoll_mqtt *mqtt, const atoll_mqtt_config *config, uint64_t now_ms)
{
    memset(mqtt, 0, sizeof *mqtt);
    mqtt->config = *config;
    mqtt->random = config->seed != 0u ? config->seed : 1u;
    mqtt->backoff_ms = ATOLL_MQTT_BACKOFF_MIN_MS;
    mqtt->retry_ms = now_ms;
}

/* What a new connection does not know: answers owed to the old one, subscriptions under way. */
static void forget_connection(atoll_mqtt *mqtt)
{
    mqtt->pinging = false;
    mqtt->reply_count = 0;
    mqtt->ping_due = false;
    mqtt->close_said = false;
    mqtt->sending = ATOLL_MQTT_SENDING_NOBODY;
    mqtt->sent = 0;
    mqtt->head = 0;
    mqtt->in_body = false;
    for (unsigned index = mqtt->packet_count; index > 0u; index--) {
        atoll_mqtt_packet *packet = &mqtt->packets[index - 1u];
        if (packet->id == 0u || packet->subscribes) {
            atoll_mqtt_drop(mqtt, index - 1u);
        } else if (packet->state == ATOLL_MQTT_PACKET_SENT) {
            packet->state = ATOLL_MQTT_PACKET_WAITS;
            packet->repeated = true;
        }
    }
}

void atoll_mqtt_opened(atoll_mqtt *mqtt, uint64_t now_ms)
{
    if (mqtt->state > ATOLL_MQTT_STATE_OPENING) {
        return;
    }
    mqtt->state = ATOLL_MQTT_STATE_CONNECTING;
    mqtt->since_ms = now_ms;
    mqtt->spoke_ms = now_ms;
    mqtt->sending = ATOLL_MQTT_SENDING_CONNECT;
    mqtt->piece = 0;
}

/* Half the back-off and a random part of the other half: devices that lost one broker do not all
 * come back at once. */
static uint32_t jittered(atoll_mqtt *mqtt)
{
    mqtt->random ^= mqtt->random << 13; /* xorshift32 (Marsaglia 2003) */
    mqtt->random ^= mqtt->random >> 17;
    mqtt->random ^= mqtt->random << 5;
    return mqtt->backoff_ms / 2u + mqtt->random % (mqtt->backoff_ms / 2u + 1u);
}

void atoll_mqtt_closed(atoll_mqtt *mqtt, uint64_t now_ms)
{
    bool stable = mqtt->was_connected && now_ms - mqtt->since_ms >= ATOLL_MQTT_STABLE_MS;
    if (mqtt->state == ATOLL_MQTT_STATE_WAITING || mqtt->state == ATOLL_MQTT_STATE_STOPPED) {
        return;
    }
    forget_connection(mqtt);
    mqtt->was_connected = false;
    if (mqtt->stopped) {
        mqtt->state = ATOLL_MQTT_STATE_STOPPED;
        return;
    }
    mqtt->backoff_ms = stable ? ATOLL_MQTT_BACKOFF_MIN_MS : mqtt->backoff_ms;
    mqtt->state = ATOLL_MQTT_STATE_WAITING;
    mqtt->retry_ms = now_ms + jittered(mqtt);
    mqtt->backoff_ms *= 2u;
    if (mqtt->backoff_ms > ATOLL_MQTT_BACKOFF_MAX_MS) {
        mqtt->backoff_ms = ATOLL_MQTT_BACKOFF_MAX_MS;
    }
}

void atoll_mqtt_accept(atoll_mqtt *mqtt, bool session, uint64_t now_ms)
{
    mqtt->state = mqtt->stopped ? ATOLL_MQTT_STATE_STOPPING : ATOLL_MQTT_STATE_CONNECTED;
    mqtt->was_connected = true;
    mqtt->since_ms = now_ms;
    mqtt->connections++;
    for (unsigned index = 0; index < mqtt->packet_count; index++) { /* DUP: 3.3.1.1 */
        bool again = mqtt->packets[index].repeated && session;
        uint8_t *first = atoll_mqtt_packet_at(mqtt, index);
        *first = (uint8_t)((*first & ~8u) | (again ? 8u : 0u));
    }
}

void atoll_mqtt_stop(atoll_mqtt *mqtt)
{
    mqtt->stopped = true;
    if (mqtt->state == ATOLL_MQTT_STATE_CONNECTED) {
        mqtt->state = ATOLL_MQTT_STATE_STOPPING;
    } else if (mqtt->state == ATOLL_MQTT_STATE_WAITING) {
        mqtt->state = ATOLL_MQTT_STATE_STOPPED;
    } else if (mqtt->state < ATOLL_MQTT_STATE_CONNECTED) {
        mqtt->state = ATOLL_MQTT_STATE_CLOSING;
    }
}

bool atoll_mqtt_is_connected(const atoll_mqtt *mqtt)
{
    return mqtt->state == ATOLL_MQTT_STATE_CONNECTED;
}

/* --- time ------------------------------------------------------------------------------------ */

static uint64_t ping_ms(const atoll_mqtt *mqtt)
{
    return mqtt->spoke_ms + mqtt->config.keep_alive_s * 500u; /* halfway: one may be late */
}

static uint64_t deadline_ms(const atoll_mqtt *mqtt)
{
    if (mqtt->state == ATOLL_MQTT_STATE_CONNECTING) {
        return mqtt->since_ms + ATOLL_MQTT_CONNECT_MS;
    }
    return atoll_mqtt_is_asking(mqtt) ? mqtt->heard_ms + ATOLL_MQTT_ANSWER_MS : UINT64_MAX;
}

uint64_t atoll_mqtt_wakeup(const atoll_mqtt *mqtt)
{
    uint64_t deadline = deadline_ms(mqtt);
    switch (mqtt->state) {
    case ATOLL_MQTT_STATE_WAITING:
        return mqtt->retry_ms;
    case ATOLL_MQTT_STATE_CLOSING:
        return mqtt->close_said ? UINT64_MAX : 0u;
    case ATOLL_MQTT_STATE_CONNECTED:
        if (mqtt->config.keep_alive_s > 0u && !mqtt->pinging && ping_ms(mqtt) < deadline) {
            return ping_ms(mqtt);
        }
        return deadline;
    case ATOLL_MQTT_STATE_CONNECTING:
        return deadline;
    default:
        return UINT64_MAX;
    }
}

void atoll_mqtt_tick(atoll_mqtt *mqtt, uint64_t now_ms, atoll_mqtt_event *event)
{
    *event = (atoll_mqtt_event){.kind = ATOLL_MQTT_NOTHING};
    if (mqtt->state == ATOLL_MQTT_STATE_WAITING && now_ms >= mqtt->retry_ms) {
        mqtt->state = ATOLL_MQTT_STATE_OPENING;
        event->kind = ATOLL_MQTT_OPEN;
        return;
    }
    if ((mqtt->state == ATOLL_MQTT_STATE_CONNECTING || mqtt->state == ATOLL_MQTT_STATE_CONNECTED) &&
        now_ms >= deadline_ms(mqtt)) {
        mqtt->timeouts++;
        mqtt->state = ATOLL_MQTT_STATE_CLOSING;
    }
    if (mqtt->state == ATOLL_MQTT_STATE_CONNECTED && mqtt->config.keep_alive_s > 0u &&
        !mqtt->pinging && now_ms >= ping_ms(mqtt)) {
        atoll_mqtt_ask(mqtt, now_ms);
        mqtt->pinging = true;
        mqtt->ping_due = true;
    }
    if (mqtt->state == ATOLL_MQTT_STATE_CLOSING && !mqtt->close_said) {
        mqtt->close_said = true;
        event->kind = ATOLL_MQTT_CLOSE;
    }
}
