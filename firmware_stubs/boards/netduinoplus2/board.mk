CORE := M4
PARTS := netduinoplus2/clock tick_systick uart_stm32 watchdog_stm32 flash_ram
SAMPLES := samples_stm32 samples_ring
