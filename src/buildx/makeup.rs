//! What an image is made of, for people.

use super::build::Built;
use super::image_details::ImageDetails;
use crate::guard::image::Image;

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

impl Makeup {
    /// One for each platform; `details` is what the engine says of an image in its store.
    #[must_use]
    pub fn of(built: &Built<'_>, details: Option<&ImageDetails>) -> Vec<Self> {
        match built {
            Built::Stored { .. } => details.into_iter().map(Self::of_stored).collect(),
            Built::Exported { checked, .. } => checked.images.iter().map(Self::of_exported).collect(),
        }
    }

    fn of_stored(details: &ImageDetails) -> Self {
        let layers = details.root_fs.layers.len();
        Self { platform: details.platform().to_string(), size: details.size, layers }
    }

    fn of_exported(image: &Image) -> Self {
        Self {
            platform: image.platform.clone(),
            size: image.layers.iter().map(|layer| layer.size).sum(),
            layers: image.layers.len(),
        }
    }
}
