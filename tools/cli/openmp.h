/* What the runtimes of OpenMP need before a program's work begins. */
#ifndef BNN_TOOLS_CLI_OPENMP_H
#define BNN_TOOLS_CLI_OPENMP_H

/* To be called first in main.
 *
 * Threads sleep soon instead of spinning for milliseconds at the end of each loop: where something
 * else wants the processors too, a spinning thread keeps from work the very one it waits for, and a
 * step takes several times as long. libgomp reads this from the environment before main begins, so
 * the program starts itself anew with it set, once; if that fails it goes on as it is. The process
 * keeps its name. What the user set (OMP_WAIT_POLICY, GOMP_SPINCOUNT) is respected.
 *
 * LLVM's libomp notes each process, by its number, in an object of shared memory. One that was
 * killed at that very moment leaves an empty object behind, and the next process of its number dies
 * of SIGBUS when it reads it: an empty one of our own number is removed. */
void bnn_openmp_prepare(char **argv);

#endif
