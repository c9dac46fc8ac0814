//! How long it takes to render the whole catalogue.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context as _, Result};
use feedbuild::credential::Credential;
use feedbuild::feed::name::FeedName;
use feedbuild::feed::service::Organization;
use feedbuild::feed::source::Origin;
use feedbuild::secret::catalogue::{Asked, CATALOGUE};
use feedbuild::secret::{Access, IndexOrder};
use url::Url;

use crate::bound::Bound;

const ROUNDS: u32 = 200;

/// Every entry that several feeds can share, for ten feeds.
pub(crate) fn bound() -> Result<Bound> {
    let collection = Url::parse("https://dev.azure.com/contoso/")?;
    let base = Url::parse("https://pkgs.dev.azure.com/contoso/")?;
    let credential = Credential::token("a-token-of-the-usual-kind".into(), None);
    let origins: Vec<Origin> = FeedName::parse_list("a,b,c,d,e,f,g,h,i,j")?
        .into_iter()
        .map(|name| Origin::Feed {
            organization: Organization::of(&collection),
            base: base.clone(),
            name,
            credential: credential.clone(),
        })
        .collect();
    let access = Access {
        origins: &origins,
        order: IndexOrder::FirstIsIndex,
        scopes: &[],
        job: Some((&collection, &credential)),
    };
    let ids: Vec<String> = CATALOGUE.iter().map(|row| row.ids[0].replace("<NAME>", "a")).collect();
    let asked: Vec<Asked> =
        ids.iter().map(|id| Asked::by(id).context("an id of the catalogue")).collect::<Result<_>>()?;
    let started = Instant::now();
    for _ in 0..ROUNDS {
        for (id, asked) in ids.iter().zip(&asked) {
            // Some hold one feed only; saying so takes its time as well.
            let _ = black_box(access.render(id, asked));
        }
    }
    Ok(Bound {
        what: "the whole catalogue for ten feeds".to_owned(),
        measured: started.elapsed().as_secs_f64() * 1e3 / f64::from(ROUNDS),
        at_best: None,
        limit: 1.0,
        unit: "ms",
    })
}
