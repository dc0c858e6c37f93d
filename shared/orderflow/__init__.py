"""The thin library that OrderFlow's functions share."""

import gc

# Python looks for cycles after so many more objects were made than have ended. One batch of calls
# keeps more than the usual 700, so that a twentieth of all CPU time went into looking; and of a
# start a tenth, which is why it is set before anything else is imported.
GARBAGE_OBJECTS = 20_000  # some 5 MB

gc.set_threshold(GARBAGE_OBJECTS)
