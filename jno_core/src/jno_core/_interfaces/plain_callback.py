"""The plain form of callbacks: methods with names, without marks."""

import abc


class Callback(abc.ABC):  # noqa: B024 - every method is optional
    """A base for callbacks in their plain form, for those who like one; any class with the same methods serves as well.

    Each method is optional and takes the arguments that it names, or all of them as `**kw`:

    - `on_solve_begin(trainable, opt_states, rng, log, context)`: before the first step.
    - `on_epoch_end(epoch, trainable, opt_states, rng, total_loss, individual_losses, log, context)`: after each epoch; a
      true result ends the run.
    - `on_training_end()`: after the last step, an early stop or an interrupt.

    | argument | is |
    |---|---|
    | `epoch` | the epoch that has ended, counted from 0 over all runs |
    | `trainable` | the trainable parameters after it, by the name of their group |
    | `opt_states` | the optimizers' states, by the same names |
    | `rng` | the run's PRNG key |
    | `total_loss`, `individual_losses` | the epoch's total loss, a float, and each term's, `(n,)` |
    | `log` | the logger `"jno"` |
    | `context` | the `RunInfo` of the run |

    The attribute `every` (default 1) is the number of epochs between two calls of `on_epoch_end`. With 1 each step is a
    compiled chunk of its own, which makes short steps slower: set it higher where not every epoch counts.
    """
