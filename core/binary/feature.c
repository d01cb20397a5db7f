/* The features' texts. */
#include "binary/module.h"

const char *wagi_feature_text(wagi_feature feature)
{
    static const char *const texts[WAGI_FEATURE_COUNT] = {
#define FEATURE(name, text) text,
#include "binary/feature.def"
#undef FEATURE
    };
    return (unsigned)feature < WAGI_FEATURE_COUNT ? texts[feature] : "?";
}
