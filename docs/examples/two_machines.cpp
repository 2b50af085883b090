// Two machines in a model that Verilator made, driven by the C driver.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "Vtwo_machines.h"
#include "left_design.h"
#include "right_design.h"
#include "left_network.h"
#include "right_network.h"
#include "samples.h"

// Bits of a byte address of one machine.
static constexpr unsigned BITS = 14;

static Vtwo_machines top;

static void tick()
{
    top.clk = 0;
    top.eval();
    top.clk = 1;
    top.eval();
}

// One cycle of Wishbone; 0 if it was acknowledged. A processor's own loads and stores do this.
static int cycle(uint32_t address, uint32_t &data, bool write)
{
    top.wb_cyc = top.wb_stb = 1;
    top.wb_we = write;
    top.wb_sel = 15;
    top.wb_adr = address / 4;
    top.wb_dat_w = data;
    for (int left = 100000; left && !top.wb_ack && !top.wb_err; left--)
        tick();
    const bool good = top.wb_ack;
    data = top.wb_dat_r;
    top.wb_cyc = top.wb_stb = 0;
    tick();
    return !good;
}

// `context` is where a machine's addresses begin.
static int bus_read(void *context, uint32_t address, uint32_t *value)
{
    return cycle(*static_cast<uint32_t *>(context) + address, *value, false);
}

static int bus_write(void *context, uint32_t address, uint32_t value)
{
    return cycle(*static_cast<uint32_t *>(context) + address, value, true);
}

static void check(const char *what, int result)
{
    if (result == POPFLIP_OK)
        return;
    std::fprintf(stderr, "%s: %s\n", what, popflip_text(result));
    std::exit(1);
}

// Learns from all samples, and saves what was learned in a file.
static void learn(const char *name, const popflip_design &design, uint32_t base,
                  const unsigned char *network, size_t bytes)
{
    static popflip device;
    const popflip_bus bus = {bus_read, bus_write, nullptr, nullptr, &base, 100000};
    const uint32_t count = sizeof samples / design.sample_bytes;
    uint64_t correct;
    check("open", popflip_open_bus(&device, &design, &bus));
    check("load", popflip_load(&device, network, bytes));
    check("clear", popflip_clear(&device));
    check("train", popflip_train(&device, samples, count, true, nullptr));
    check("count", popflip_count(&device, POPFLIP_CORRECT, &correct));
    std::printf("%s: %u of %u\n", name, unsigned(correct), unsigned(count));

    std::vector<uint8_t> image(design.image_bytes);
    check("save", popflip_save(&device, image.data(), image.size()));
    std::FILE *file = std::fopen(name, "wb");
    if (!file || std::fwrite(image.data(), 1, image.size(), file) != image.size() ||
        std::fclose(file))
        std::exit(1);
}

int main()
{
    top.rst = 1;
    tick();
    top.rst = 0;
    learn("left.bin", left_design, 0, left_network, sizeof left_network);
    learn("right.bin", right_design, 1 << BITS, right_network, sizeof right_network);
}
