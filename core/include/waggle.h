/* Waggle: WebAssembly.instantiate() and what surrounds it, in C. This header includes all others. */
#ifndef WAGGLE_H
#define WAGGLE_H

#include "waggle/agent.h"
#include "waggle/base.h"
#include "waggle/buffer.h"
#include "waggle/coerce.h"
#include "waggle/error.h"
#include "waggle/imports.h"
#include "waggle/instance.h"
#include "waggle/module.h"
#include "waggle/promise.h"
#include "waggle/value.h"
#include "waggle/worker.h"

#endif
