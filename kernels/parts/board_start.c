/* From the reset to main on an emulated Cortex-M, and from main to the emulator's end: no clock, no
 * interrupt, no serial line, so that nothing but the program runs. */
#include <stdint.h>

extern uint32_t image_stack[], image_data_from[], image_data[], image_data_end[];
extern uint32_t image_bss[], image_bss_end[];

int main(void);
void image_reset(void);
void *image_end(int code);
void image_say(const char *text);
void image_mark(void);

typedef union vector {
    void (*handler)(void);
    const void *stack;
} vector;

static void fallen(void)
{
    (void)image_end(99);
}

const vector image_vectors[16] __attribute__((section(".vectors"), used)) = {
    [0] = {.stack = image_stack},
    [1] = {.handler = image_reset},
    [2] = {.handler = fallen},
    [3] = {.handler = fallen},
};

/* Semihosting, SYS_EXIT_EXTENDED: the code becomes the emulator's. */
void *image_end(int code)
{
    uint32_t block[2];
    block[0] = 0x20026u;
    block[1] = (uint32_t)code;
    __asm__ volatile("movs r0, #0x20\n mov r1, %0\n bkpt #0xab" : : "r"(block) : "r0", "r1", "memory");
    for (;;) {
    }
}

/* Semihosting, SYS_WRITE0. */
void image_say(const char *text)
{
    __asm__ volatile("movs r0, #4\n mov r1, %0\n bkpt #0xab" : : "r"(text) : "r0", "r1", "memory");
}

/* What runs between two calls is counted (board_icount.c). */
__attribute__((noinline)) void image_mark(void)
{
    __asm__ volatile("");
}

void image_reset(void)
{
    uint32_t *to, *from = image_data_from;
#ifdef __ARM_FP
    *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20; /* CPACR: the FPU */
    __asm__ volatile("dsb\n isb" : : : "memory");
#endif
    for (to = image_data; to < image_data_end; to++) {
        *to = *from++;
    }
    for (to = image_bss; to < image_bss_end; to++) {
        *to = 0;
    }
    (void)image_end(main());
}
