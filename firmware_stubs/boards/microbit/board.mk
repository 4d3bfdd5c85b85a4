CORE := M0
PARTS := microbit/clock tick_nrf51 uart_nrf51 watchdog_nrf51 flash_nrf51
