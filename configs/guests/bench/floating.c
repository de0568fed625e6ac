// fpsse and fpx87: a Mandelbrot loop and one division a pixel. Compiled twice, with RUN=run_fpsse -mfpmath=sse and RUN=run_fpx87 -mfpmath=387.
#include "bench.h"

u32 RUN(u32 reps)
{
    u32 sum = 0;
    operations = (u64)reps * 1024;
    for (u32 r = 0; r < reps; r++) {
        for (int row = 0; row < 32; row++) {
            double cy = -1.25 + row * (2.5 / 32);
            for (int column = 0; column < 32; column++) {
                double cx = -2.0 + column * (2.5 / 32), x = 0, y = 0;
                int i = 0;
                while (i < 64) {
                    double x2 = x * x, y2 = y * y;
                    if (x2 + y2 > 4.0) break;
                    y = 2 * x * y + cy;
                    x = x2 - y2 + cx;
                    i++;
                }
                sum += (u32)i + (u32)(int)(100.0 * cy / (cx + 3.0));
            }
        }
    }
    return sum;
}
