"""How bytes travel: one selector loop, one MQTT session over paho, one broker in memory."""
