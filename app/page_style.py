"""How the page looks: a theme with system fonts only, and the style sheet. Nothing is fetched."""

import gradio as gr

from xaae.experiment.vocabulary import PAGE_COLOURS, PALETTE, PALETTE_DARK

SANS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"]
SERIF = '--serif:"Iowan Old Style",Charter,"Bitstream Charter",Georgia,serif'
MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]
ACCENT = 1  # the place in the palette of the colour of sliders, buttons and focus


def _theme_colours(c, accent, suffix=""):
    """Gradio's names for the colours `c` {name: colour}; `suffix` is "_dark" for the dark page."""
    named = {
        "body_background_fill": c["page"],
        "body_text_color": c["text"],
        "body_text_color_subdued": c["muted"],
        "background_fill_primary": c["page"],
        "background_fill_secondary": c["raised"],
        "block_background_fill": "transparent",
        "block_label_text_color": c["muted"],
        "block_title_text_color": c["text"],
        "block_info_text_color": c["muted"],
        "border_color_primary": c["rule"],
        "input_background_fill": c["page"],
        "input_border_color": c["rule"],
        "slider_color": accent,
        "color_accent_soft": c["raised"],
        "button_secondary_background_fill": "transparent",
        "button_secondary_background_fill_hover": c["raised"],
        "button_secondary_border_color": c["rule"],
        "button_secondary_border_color_hover": accent,
        "button_secondary_text_color": accent,
    }
    return {name + suffix: value for name, value in named.items()}


def page_theme():
    """The Gradio theme."""
    base = gr.themes.Base(font=SANS, font_mono=MONO, radius_size="sm", spacing_size="md")
    light = _theme_colours(PAGE_COLOURS["light"], PALETTE[ACCENT])
    dark = _theme_colours(PAGE_COLOURS["dark"], PALETTE_DARK[ACCENT], "_dark")
    return base.set(**light, **dark, block_border_width="0px", block_shadow="none")


def _properties(theme, palette):
    """The custom properties of the style sheet: colours of text and lines, of classes, and the accent."""
    colours = {name: PAGE_COLOURS[theme][name] for name in ("text", "muted", "rule")} | {"accent": palette[ACCENT]}
    colours |= {f"k{i}": colour for i, colour in enumerate(palette)}
    return "".join(f"--{name}:{colour};" for name, colour in colours.items())


RULES = """
.gradio-container{overflow:clip!important} /* hidden would let nothing stay in sight while the page is scrolled */
.gradio-container .main.fillable.app{max-width:1180px!important;margin:0 auto;padding:clamp(14px,2.4vw,32px)!important}
.gradio-container :is(.head,.help,.note,.stage),.gradio-container .html-container{padding:0}
.gradio-container .form{background:none;gap:0}
.gradio-container button:focus-visible,.gradio-container input:focus-visible{outline:2px solid var(--accent)!important;
  outline-offset:2px}
.head h1{font:600 clamp(24px,3.4vw,32px)/1.2 var(--serif);letter-spacing:-.01em;margin:0 0 6px;color:var(--text)}
.head p,.help p{font-size:14px;line-height:1.5;color:var(--muted);margin:0;max-width:56em}
.help p{font-size:13px}
.note p{font-size:14px;line-height:1.5;border-left:3px solid var(--k0);padding:2px 0 2px 12px;margin:0}
.note:not(:has(p)){display:none}

#controls{gap:12px}
#controls .row{gap:8px}
#controls button.sm{border:1px solid var(--rule);min-height:34px}
#controls button.sm:hover{border-color:var(--accent)}
#controls .block.padded{padding:0}
.gradio-container #chosen .wrap{border:1px solid var(--rule)}
#gallery .grid-wrap{max-height:none;min-height:0;height:auto;padding:0}
#gallery .grid-container{grid-template:none/repeat(6,minmax(0,1fr));grid-auto-rows:auto;gap:6px;padding:3px 1px}
#gallery .thumbnail-item{aspect-ratio:1}
#gallery.wide .thumbnail-item{aspect-ratio:2;background:#fff}
#gallery .thumbnail-item{height:auto;border-radius:2px}
#controls .block.slide{padding:0 0 10px}
#controls :is(.slide,.form),#factors :is(.factor,.form){overflow:visible!important}
:is(.slide,.factor) .head{margin-bottom:0;align-items:center}
:is(.slide,.factor) :is(.min_value,.max_value){display:none}
:is(.slide,.factor) input[type=number]{background:none;border:0;text-align:right;font-variant-numeric:tabular-nums;
  height:24px}
:is(.slide,.factor) :is(.tab-like-container,.reset-button){border:0}
.dark :is(.slide,.factor){--neutral-200:var(--rule)}

#factors-help{margin-top:10px;border-top:1px solid var(--rule);padding-top:20px!important}
#factors-help h2{font:600 clamp(20px,2.6vw,24px)/1.25 var(--serif);margin:0 0 6px;color:var(--text)}
#factors-help code{font-size:.95em;overflow-wrap:anywhere;user-select:all}
#factors{gap:24px 40px}
#factor-grid .form{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:12px 28px}
#factor-grid .block.factor{padding:0;align-self:start}
#factor-sliders button.sm{border:1px solid var(--rule);min-height:34px;width:auto;flex:none;align-self:flex-start}
#factor-sliders button.sm:hover{border-color:var(--accent)}
#factor-answers{gap:18px}
#factors:has(input[type=range]:active) #factors-curve{opacity:.45}

.stage h2{font-size:13px;font-weight:600;line-height:1.4;color:var(--text);margin:0 0 6px}
.stage p{font-size:14px;line-height:1.5;margin:0;color:var(--text)}
.stage figure{margin:0;min-width:0}
.stage img{display:block;width:100%;height:auto;border-radius:2px;background:var(--rule);margin:0}
.stage figcaption{font-size:12px;line-height:1.4;color:var(--muted);margin-top:4px;text-align:left}
.stage .pictures{display:grid;grid-template-columns:minmax(0,2.1fr) minmax(0,1fr);gap:12px;max-width:640px}
.stage .pictures>div{display:grid;gap:8px;align-content:start}
.stage .facts{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:16px 32px;margin-top:18px;
  padding-top:14px;border-top:1px solid var(--rule)}
.stage .facts section:first-child p{min-height:6em}
.stage .near{margin-top:14px;padding-top:14px;border-top:1px solid var(--rule)}
.stage .near>div{display:grid;grid-template-columns:repeat(6,minmax(0,1fr));gap:12px}
.stage .meters{display:grid;grid-template-columns:repeat(4,minmax(0,1fr));gap:2px 28px;margin:0;font-size:13px;
  line-height:1.5;font-variant-numeric:tabular-nums}
.stage .meters div{display:flex;justify-content:space-between;gap:8px;color:var(--muted)}
.stage .meters :is(dt,dd){margin:0;color:inherit}
.stage .meters dd{white-space:nowrap}
.stage .meters .large{color:var(--text);font-weight:600}
.stage .bars{width:calc(100% + 24px);border-collapse:separate;border-spacing:12px 4px;font-size:14px;border:0;
  font-variant-numeric:tabular-nums;margin:-4px -12px}
.stage .bars :is(th,td,tr){border:0;padding:0;background:none;color:var(--text)}
.stage .bars th{font-weight:400;text-align:left;white-space:nowrap;max-width:8.5em;overflow:hidden;
  text-overflow:ellipsis}
.stage .bars td:last-child{text-align:right}
.stage .bars .bar{position:relative;width:100%}
.stage .bar i,.stage .bar b{position:absolute;top:50%;height:10px;margin-top:-5px}
.stage .bar i{left:0;background:var(--k)} .stage .bar b{width:2px;margin-left:-1px;background:var(--text);opacity:.55}
.stage .bar::before{content:"";position:absolute;inset:50% 0 auto;height:1px;background:var(--rule)}
.stage h3{font-size:13px;overflow-wrap:anywhere;font-weight:600;line-height:1.4;color:var(--text);margin:0 0 6px}
.stage :is(.pair,.answers){display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:12px 24px}
.stage .pair figcaption{min-height:2.8em;overflow-wrap:anywhere}
.stage .answers{margin-top:8px}
.stage .answers section:only-child{grid-column:1/-1}
.stage .answers p{font-size:13px;margin-top:2px;overflow-wrap:anywhere}
.stage .axes{display:grid;grid-template-columns:auto minmax(0,1fr);gap:2px 6px;font-size:12px;line-height:1;
  color:var(--muted);font-variant-numeric:tabular-nums}
.stage .scale,.stage .ends{display:flex;justify-content:space-between}
.stage .scale{flex-direction:column}
.stage .ends{grid-column:2}
.stage .plot{position:relative;height:120px;border:1px solid var(--rule);border-width:0 0 1px 1px}
.stage .plot svg{position:absolute;inset:0;width:100%;height:100%;overflow:visible}
.stage .plot svg *{fill:none;stroke:var(--text);stroke-width:1.8px;vector-effect:non-scaling-stroke}
.stage .plot svg .half{stroke:var(--rule);stroke-width:1px}
.stage .plot svg .here{stroke:var(--accent);stroke-width:1px}
.stage .plot svg .was{stroke:var(--muted);stroke-width:1px;stroke-dasharray:2 3}
.stage .plot svg .dashed{stroke-dasharray:6 4}
.stage .plot svg .dotted{stroke-dasharray:1.5 4}
.stage .plot b{position:absolute;width:9px;height:9px;margin:-4.5px;border-radius:50%;background:var(--accent)}
.stage .key{display:flex;flex-wrap:wrap;gap:2px 18px;font-size:13px;margin-top:4px;font-variant-numeric:tabular-nums}
.stage .key i{display:inline-block;width:26px;border-top:2px solid var(--text);vertical-align:middle;margin-right:6px}
.stage .key .dashed{border-top-style:dashed}
.stage .key .dotted{border-top-style:dotted}
#factors-meters .meters{grid-template-columns:repeat(2,minmax(0,1fr))}
@media (max-width:760px){
  #factor-answers{display:contents}
  #factors{flex-direction:column}
  #factors-look{order:-1;position:sticky;top:0;z-index:60;background:var(--body-background-fill);
    padding:8px 0!important;
    border-bottom:1px solid var(--rule);border-radius:0}
  #factors-look figcaption{min-height:0}
  #factor-sliders{width:100%}
  #factors input{scroll-margin-top:350px} /* below the pictures */
  #factor-grid .form{grid-template-columns:minmax(0,1fr)}
  .stage .facts{grid-template-columns:minmax(0,1fr)}
  .stage .facts section:first-child p{min-height:4.5em}
  .stage .meters{grid-template-columns:repeat(2,minmax(0,1fr))}
  .stage .near>div{grid-template-columns:repeat(3,minmax(0,1fr))}}
"""

CSS = "\n".join(
    [
        f".gradio-container{{{_properties('light', PALETTE)}--color-accent:var(--accent);{SERIF}}}",
        f".dark .gradio-container,.gradio-container.dark{{{_properties('dark', PALETTE_DARK)}}}",
        *(f".k{i}{{--k:var(--k{i})}}" for i in range(len(PALETTE))),
        RULES,
    ]
)
