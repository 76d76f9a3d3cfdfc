"""The napari plugin: layers in, engine calls, layers out. Everything else lives in `cmr_synth`.

One folder for each panel, none of which imports another, and one for what napari opens, saves and
offers as samples (`files`). The manifest, `napari.yaml`, lists them. The modules beside them are
what several panels use: the window (`_app`, `_panels`, `_canvas`), layers as scans and masks
(`_layers`, `_masks`, `_results`, `_in_view`), forms and results (`_conditions_form`, `_frame`,
`_overlay`, `_grid_view`, `_layout`), work in the background (`_jobs`, `_models`), messages and
settings.

Nothing is imported here, so that napari registers the plugin without waiting for it.
"""
