"""The model layer: loading, chat templates, packed attention, losses and answers; the only users of transformers."""

import logging

# PEFT imports bitsandbytes where it is installed, which then says on stderr what it lacks on a CPU.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
