CORE := M0+
PARTS := pico/clock tick_rp2040 uart_pl011 watchdog_rp2040 flash_rp2040
SAMPLES := samples_rp2040 samples_ring
# The second stage that the boot ROM looks for in the first 256 bytes of flash; sealed by boot2.py.
BOOT2 := pico/boot2
UF2_START := 0x10000000
