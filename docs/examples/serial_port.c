/* Trains a machine at a serial port of a POSIX system. The driver itself needs none of this. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "digits_design.h"
#include "network.h" /* popflip export --seed */
#include "samples.h" /* popflip export --samples */

/* A port, and what has come from it. Bytes leave in one piece when a frame is whole. */
struct port {
    int file;
    uint8_t in[4096], out[4096];
    size_t n_in, next, n_out;
};

static int put(void *context, uint8_t byte)
{
    struct port *port = context;
    port->out[port->n_out++] = byte;
    if (byte && port->n_out < sizeof port->out)
        return 0;
    size_t n = port->n_out;
    port->n_out = 0;
    for (size_t at = 0; at < n;) {
        struct pollfd look = {port->file, POLLOUT, 0};
        if (poll(&look, 1, 2000) <= 0)
            return -1;
        ssize_t sent = write(port->file, port->out + at, n - at);
        if (sent <= 0)
            return -1;
        at += (size_t)sent;
    }
    return 0;
}

/* Waits for a millisecond at most, so that `patience` is in milliseconds. */
static int get(void *context)
{
    struct port *port = context;
    if (port->next == port->n_in) {
        struct pollfd look = {port->file, POLLIN, 0};
        port->next = port->n_in = 0;
        if (poll(&look, 1, 1) <= 0)
            return -1;
        ssize_t came = read(port->file, port->in, sizeof port->in);
        if (came <= 0)
            return -1;
        port->n_in = (size_t)came;
    }
    return port->in[port->next++];
}

static int open_port(struct port *port, const char *name)
{
    struct termios raw;
    port->file = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (port->file < 0 || tcgetattr(port->file, &raw))
        return -1;
    raw.c_iflag = raw.c_oflag = raw.c_lflag = 0;
    raw.c_cflag = CS8 | CREAD | CLOCAL;
    cfsetispeed(&raw, B115200);
    cfsetospeed(&raw, B115200);
    return tcsetattr(port->file, TCSANOW, &raw);
}

/* Says what went wrong, and where. */
static void check(const char *what, int result)
{
    if (result == POPFLIP_OK)
        return;
    fprintf(stderr, "%s: %s\n", what, popflip_text(result));
    exit(1);
}

int main(int argc, char **argv)
{
    static struct port port;
    static struct popflip device;
    static uint8_t learned[1 << 20];
    const struct popflip_line line = {put, get, &port, 2000};
    const struct popflip_design *design = &digits_design;
    uint32_t count = sizeof samples / design->sample_bytes;
    uint64_t correct;
    if (argc != 3 || open_port(&port, argv[1])) {
        fprintf(stderr, "usage: serial_port PORT FILE\n");
        return 2;
    }

    check("open", popflip_open_line(&device, design, &line));
    check("load", popflip_load(&device, network, sizeof network));
    for (int epoch = 1; epoch <= 3; epoch++) {
        check("clear", popflip_clear(&device));
        check("train", popflip_train(&device, samples, count, true, 0));
        check("count", popflip_count(&device, POPFLIP_CORRECT, &correct));
        printf("epoch %d: %u of %u samples taken for what they are\n", epoch, (unsigned)correct,
               (unsigned)count);
    }
    check("save", popflip_save(&device, learned, sizeof learned));

    FILE *file = fopen(argv[2], "wb");
    if (!file || fwrite(learned, 1, design->image_bytes, file) != design->image_bytes ||
        fclose(file)) {
        perror(argv[2]);
        return 1;
    }
    return 0;
}
