"""The napari plugin: layers in, engine calls, layers out. Everything else lives in `cmr_synth`.

Nothing is imported here, so that napari registers the plugin without waiting for it.
"""
