"""The napari plugin: layers in, engine calls, layers out. Everything else lives in `cmr_synth`.

One folder for each panel (`heart_mask`, `synthesis` with the batch panel, `compare`, `record`),
and one for what napari opens, saves and offers as samples (`files`). The modules beside them are
shared: the window (`_app`, `_canvas`), layers as scans and masks (`_layers`, `_masks`, `_results`),
work in the background (`_jobs`, `_models`), messages and settings.

Nothing is imported here, so that napari registers the plugin without waiting for it.
"""
