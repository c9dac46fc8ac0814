//! What an image is made of, for people.

use super::build::Built;
use crate::registry::manifest::{Content, Platform};
use crate::registry::oci_layout::{Examined, Image};

/// The image of one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Makeup {
    /// Its platform, e.g. `linux/arm64/v8`; empty if that is not known.
    pub platform: String,
    /// How many bytes it takes: in the engine's store, or of layers as they are pushed.
    pub size: u64,
    /// How many layers it has.
    pub layers: usize,
}

impl Built<'_> {
    /// One for each platform. What the engine does not know is not in it: nothing but the summary depends on that.
    pub async fn makeup(&self) -> Vec<Makeup> {
        match self {
            Self::Stored { engine, image, .. } => {
                let makeup = engine.makeup(&image.id).await;
                makeup.ok().flatten().into_iter().collect()
            }
            Self::Exported { examined, .. } => {
                examined.images().filter_map(|image| of_image(examined, image)).collect()
            }
        }
    }
}

fn of_image(examined: &Examined, image: Image<'_>) -> Option<Makeup> {
    let Content::Image { layers, .. } = &examined.manifests.get(&image.descriptor.digest)?.content else {
        return None;
    };
    Some(Makeup {
        platform: image.descriptor.platform.as_ref().map(Platform::to_string).unwrap_or_default(),
        size: layers.iter().map(|layer| layer.size).sum(),
        layers: layers.len(),
    })
}
