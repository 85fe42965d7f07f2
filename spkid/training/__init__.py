"""Training and export. The only place that imports torch or speechbrain (``spkid[train]``)."""
