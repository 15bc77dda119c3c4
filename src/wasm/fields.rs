//! Objects whose fields are read by their names. An import for each field would make what a browser
//! downloads longer; what is read for each message has them.

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// An inert copy of an object.
    pub type Fields;
    #[wasm_bindgen(method, structural, indexing_getter)]
    pub fn get(this: &Fields, name: &str) -> JsValue;
}

impl Fields {
    /// A number, if there is one.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.get(name).as_f64()
    }

    /// A text, if there is one.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).as_string()
    }
}
