/* A raytracer in doubles: spheres over a chequered floor with mirrors, shadows and two lamps; n pictures of 96 x 64,
 * the camera going round.
 */
#include <math.h>

#include "program.h"

enum { WIDTH = 96, HEIGHT = 64, SPHERES = 9, LAMPS = 2, DEPTH = 4 };

typedef struct vec {
    double x, y, z;
} vec;

typedef struct ray {
    vec from, to; /* to: of length 1 */
} ray;

typedef struct surface {
    vec colour;
    double mirror, shine;
} surface;

typedef struct sphere {
    vec centre;
    double radius;
    surface surface;
} sphere;

typedef struct hit {
    double distance;
    vec point, normal;
    surface surface;
} hit;

typedef struct scene {
    sphere spheres[SPHERES];
    vec lamps[LAMPS];
} scene;

static vec add(vec a, vec b)
{
    return (vec){a.x + b.x, a.y + b.y, a.z + b.z};
}

static vec sub(vec a, vec b)
{
    return (vec){a.x - b.x, a.y - b.y, a.z - b.z};
}

static vec scale(vec a, double by)
{
    return (vec){a.x * by, a.y * by, a.z * by};
}

static double dot(vec a, vec b)
{
    return a.x * b.x + a.y * b.y + a.z * b.z;
}

static vec unit(vec a)
{
    return scale(a, 1 / sqrt(dot(a, a)));
}

/* The distance along the ray, or a negative number. */
static double meet(const ray *r, const sphere *s)
{
    vec to = sub(s->centre, r->from);
    double along = dot(to, r->to);
    double rest = s->radius * s->radius - (dot(to, to) - along * along);
    if (rest < 0) {
        return -1;
    }
    double root = sqrt(rest);
    return along - root > 1e-6 ? along - root : along + root;
}

static bool nearest(const scene *s, const ray *r, hit *ret_hit)
{
    const sphere *found = NULL;
    double distance = HUGE_VAL;
    for (int i = 0; i < SPHERES; i++) {
        double d = meet(r, &s->spheres[i]);
        if (d > 1e-6 && d < distance) {
            distance = d;
            found = &s->spheres[i];
        }
    }
    double floor_at = r->to.y < 0 ? -r->from.y / r->to.y : -1;
    if (floor_at > 1e-6 && floor_at < distance) {
        vec point = add(r->from, scale(r->to, floor_at));
        int parity = ((int)floor(point.x) + (int)floor(point.z)) & 1;
        double grey = parity ? 0.9 : 0.2;
        *ret_hit = (hit){floor_at, point, {0, 1, 0}, {{grey, grey, grey}, 0.1, 0}};
        return true;
    }
    if (found == NULL) {
        return false;
    }
    vec point = add(r->from, scale(r->to, distance));
    *ret_hit = (hit){distance, point, scale(sub(point, found->centre), 1 / found->radius), found->surface};
    return true;
}

static bool in_shadow(const scene *s, vec point, vec direction, double distance)
{
    ray r = {point, direction};
    for (int i = 0; i < SPHERES; i++) {
        double d = meet(&r, &s->spheres[i]);
        if (d > 1e-6 && d < distance) {
            return true;
        }
    }
    return false;
}

static vec lit(const scene *s, const ray *r, const hit *h)
{
    vec sum = scale(h->surface.colour, 0.1);
    for (int i = 0; i < LAMPS; i++) {
        vec way = sub(s->lamps[i], h->point);
        double distance = sqrt(dot(way, way));
        vec direction = scale(way, 1 / distance);
        double slope = dot(direction, h->normal);
        if (slope <= 0 || in_shadow(s, h->point, direction, distance)) {
            continue;
        }
        sum = add(sum, scale(h->surface.colour, slope * 0.6));
        vec back = sub(scale(h->normal, 2 * slope), direction);
        double gloss = -dot(back, r->to);
        if (h->surface.shine > 0 && gloss > 0) {
            double power = gloss * gloss;
            power *= power;
            power *= power;
            double bright = h->surface.shine * power * power;
            sum = add(sum, (vec){bright, bright, bright});
        }
    }
    return sum;
}

static vec trace(const scene *s, const ray *r, int depth)
{
    hit h;
    if (!nearest(s, r, &h)) {
        double t = 0.5 * (r->to.y + 1);
        return (vec){1 - 0.5 * t, 1 - 0.3 * t, 1};
    }
    vec colour = lit(s, r, &h);
    if (depth == 0 || h.surface.mirror == 0) {
        return colour;
    }
    ray reflected = {h.point, sub(r->to, scale(h.normal, 2 * dot(h.normal, r->to)))};
    return add(scale(colour, 1 - h.surface.mirror), scale(trace(s, &reflected, depth - 1), h.surface.mirror));
}

static uint8_t level(double value)
{
    return (uint8_t)(value <= 0 ? 0 : value >= 1 ? 255 : value * 255);
}

static void make_scene(scene *s)
{
    uint64_t seed = 2024;
    for (int i = 0; i < SPHERES; i++) {
        double radius = 0.4 + random_below(&seed, 60) / 100.0;
        s->spheres[i] = (sphere){
            {(i % 3 - 1) * 2.2 + random_below(&seed, 50) / 100.0, radius, (i / 3 - 1) * 2.2},
            radius,
            {{0.3 + (i % 2) * 0.6, 0.3 + (i % 3) * 0.3, 0.3 + (i % 4) * 0.2}, i % 3 == 0 ? 0.6 : 0.15, 0.5},
        };
    }
    s->lamps[0] = (vec){5, 8, -5};
    s->lamps[1] = (vec){-6, 6, -2};
}

uint64_t run(uint32_t n)
{
    scene s;
    make_scene(&s);
    uint64_t sum = CHECKSUM_START;
    for (uint32_t i = 0; i < n; i++) {
        /* Round the scene by rational points of the circle: no sine, whose last bit is the C library's own. */
        double t = (double)(i % 16) / 8 - 1;
        double cosine = (1 - t * t) / (1 + t * t), sine = 2 * t / (1 + t * t);
        vec eye = {sine * 7, 3, -cosine * 7};
        vec ahead = unit(sub((vec){0, 0.5, 0}, eye));
        vec right = unit((vec){-ahead.z, 0, ahead.x});
        vec up = {right.y * ahead.z - right.z * ahead.y, right.z * ahead.x - right.x * ahead.z,
                  right.x * ahead.y - right.y * ahead.x};
        for (int y = 0; y < HEIGHT; y++) {
            for (int x = 0; x < WIDTH; x++) {
                double dx = (x - WIDTH / 2) / (double)HEIGHT, dy = (HEIGHT / 2 - y) / (double)HEIGHT;
                ray r = {eye, unit(add(ahead, add(scale(right, dx), scale(up, dy))))};
                vec colour = trace(&s, &r, DEPTH);
                uint8_t pixel[3] = {level(colour.x), level(colour.y), level(colour.z)};
                sum = checksum(sum, pixel, sizeof pixel);
            }
        }
    }
    printf("ray: %u pictures\n", (unsigned)n);
    return sum;
}
