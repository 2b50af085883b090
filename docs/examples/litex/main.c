/*
 * Learns from samples in the flash, tells how well, and prints what was learned.
 *
 * The flash has four numbers of 32 bits, low byte first (bytes of the network, samples to learn from,
 * samples to test with, 0), the network, and the samples, each part filled up to a multiple of 4 bytes.
 */
#include <irq.h>
#include <libbase/uart.h>
#include <stdio.h>

#include <generated/csr.h>
#include <generated/mem.h>
#include <generated/soc.h>

#include "digits_design.h"

#define END 4 /* the last character; a simulation ends there */

static const struct popflip_design *const design = &digits_design;
static const struct popflip_bus bus = POPFLIP_BUS_AT(POPFLIP_BASE, 1000000);
static struct popflip device;
static volatile unsigned runs;

static uint8_t image[16384];
static uint8_t classes[256];

/* The machine's interrupt: a run has ended. */
static void on_popflip(void)
{
    uint32_t events;
    if (popflip_events(&device, &events) == POPFLIP_OK && events & POPFLIP_DONE)
        runs++;
}

static void finish(void)
{
    putchar(END);
    uart_sync();
    for (;;)
        ;
}

static void check(const char *what, int result)
{
    if (result == POPFLIP_OK)
        return;
    printf("%s: %s\n", what, popflip_text(result));
    finish();
}

static uint32_t now(void)
{
    timer0_uptime_latch_write(1);
    return (uint32_t)timer0_uptime_cycles_read();
}

/* A share of all samples in percent, with two decimals; printf need not know fractions. */
static void print_error(const char *what, uint32_t right, uint32_t count)
{
    uint32_t hundredths = (uint32_t)((uint64_t)(count - right) * 10000 / count);
    printf("%s: %lu of %lu, error %lu.%02lu %%\n", what, (unsigned long)right,
           (unsigned long)count, (unsigned long)(hundredths / 100),
           (unsigned long)(hundredths % 100));
}

static uint32_t counted(uint32_t counter)
{
    uint64_t value;
    check("count", popflip_count(&device, counter, &value));
    return (uint32_t)value;
}

static void learn(const uint8_t *samples, uint32_t count)
{
    check("clear", popflip_clear(&device));
    uint32_t begin = now();
    check("train", popflip_train(&device, samples, count, true, 0));
    uint32_t cycles = now() - begin;
    uint32_t wait = counted(digits_count_cycles_wait);
    print_error("learned", counted(POPFLIP_CORRECT), count);
    printf("cycles per sample: %lu, of which the machine waited %lu\n",
           (unsigned long)(cycles / count), (unsigned long)(wait / count));
}

static void test(const uint8_t *samples, uint32_t count)
{
    uint32_t right = 0, size = design->sample_bytes;
    for (uint32_t done = 0; done < count;) {
        uint32_t n = count - done < sizeof classes ? count - done : sizeof classes;
        check("infer", popflip_infer(&device, samples + done * size, n, classes));
        for (uint32_t i = 0; i < n; i++, done++)
            right += classes[i] == samples[(done + 1) * size - 1];
    }
    print_error("tested", right, count);
}

static void print_image(void)
{
    check("save", popflip_save(&device, image, design->image_bytes));
    for (uint32_t i = 0; i < design->image_bytes; i++) {
        if (i % 32 == 0)
            printf("%simage ", i ? "\n" : "");
        putchar("0123456789abcdef"[image[i] >> 4]);
        putchar("0123456789abcdef"[image[i] & 15]);
    }
    printf("\n");
}

int main(void)
{
    const uint32_t *head = (const uint32_t *)DATA;
    const uint32_t bytes = head[0], train = head[1], tests = head[2];
    const uint8_t *network = (const uint8_t *)(head + 4);
    const uint8_t *train_samples = network + (bytes + 3) / 4 * 4;
    const uint8_t *test_samples = train_samples + (train * design->sample_bytes + 3) / 4 * 4;

    irq_setmask(0);
    irq_setie(1);
    uart_init();
    printf("popflip at %lx\n", (unsigned long)POPFLIP_BASE);
    check("open", popflip_open_bus(&device, design, &bus));
    if (design->image_bytes > sizeof image)
        check("image", POPFLIP_RANGE);
    check("load", popflip_load(&device, network, bytes));

    irq_attach(POPFLIP_INTERRUPT, on_popflip);
    popflip_ev_enable_write(1);
    irq_setmask(irq_getmask() | 1 << POPFLIP_INTERRUPT);
    check("interrupt", popflip_interrupt(&device, POPFLIP_DONE));
    learn(train_samples, train);
    print_image();
    test(test_samples, tests);
    printf("interrupts: %u\n", runs);
    finish();
}
